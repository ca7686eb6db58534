"""What comes in from other programs and goes out to them: files, event logs, queries and exports."""
