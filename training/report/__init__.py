"""``fer-eval``: what a comparison of models found, as tables, pictures, one page and a model card."""
