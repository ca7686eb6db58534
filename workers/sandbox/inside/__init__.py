"""What runs inside the sandbox: plain standard library, sent there as compiled code, never imported by the trainer."""
