"""HL7 v2 messages into events: read as their FHIR resources would be, acknowledged when durable."""
