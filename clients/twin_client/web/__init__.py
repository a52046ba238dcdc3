"""The ward's door: JSON over HTTP for any caller, and the page a clinician keeps open. Needs the extra `web`."""
