"""The rows: patients, studies, series, instances, and what is asked of them."""
