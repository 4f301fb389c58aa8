"""Large files: the audio store, the feature store, and the disposable store of finished units."""
