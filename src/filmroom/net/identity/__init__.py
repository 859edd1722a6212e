"""Who people are, asked elsewhere: directories."""
