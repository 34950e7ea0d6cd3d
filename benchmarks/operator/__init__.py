"""What the operator costs, beside a twin written in Go."""
