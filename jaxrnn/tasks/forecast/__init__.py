"""Forecasts of series, hours, days or months ahead."""
