"""The doors of the ward, measured: FHIR, HL7 v2, and whatever else registers a part."""
