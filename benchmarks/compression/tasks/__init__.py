"""The work: data, models and their files, apart from any tool that makes models smaller."""
