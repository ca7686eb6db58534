"""What people see on a terminal: tables, pages and the live view. They compute nothing."""
