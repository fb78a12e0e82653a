"""What both ends of the stream agree on: its entries, devices' identities, and captured traffic to replay."""
