"""What other programs are told, and what they tell us."""
