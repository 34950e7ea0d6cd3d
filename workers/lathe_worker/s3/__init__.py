"""S3, and what speaks like it: the one door to boto3."""
