"""Reading with somebody else's SQL, on connections where the database itself refuses every write."""
