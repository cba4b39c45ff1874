"""What the Latent page asks: maps, samples, walks and round trips, answered as JSON-able data."""
