"""A model judged on a data set: individual fits, one-step-ahead forecasts, diagnostics."""
