"""What must hold before a number counts; each guard names the utterances that break it."""
