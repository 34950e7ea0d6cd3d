"""What is published of a version: images, chart, definitions, and what they are made of."""
