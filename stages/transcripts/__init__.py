"""Sources of transcripts: gold, corrupted, Whisper; normal forms of text and word error rates."""
