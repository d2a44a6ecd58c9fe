"""Results as one page that needs nothing but a browser: charts to replay, their numbers, and how each was made."""
