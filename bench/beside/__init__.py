"""What bench/run is made of: doors to servers, rows that are measured, the report."""
