"""What `processor top` shows: `sampling` asks once a second, `rates` compares two answers, `history` keeps them."""
