"""Everything that can be seen from outside, on one screen: `gathering` asks, `problems` judges."""
