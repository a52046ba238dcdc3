"""Electronic health records into events: FHIR R4. What cannot be interpreted is held and reported, never guessed."""
