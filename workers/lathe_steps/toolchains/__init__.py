"""Where toolchains are touched besides in the steps: one module per thing that is run."""
