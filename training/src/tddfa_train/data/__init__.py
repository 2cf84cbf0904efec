"""Face photos with labels: the folder format, its sampler, augmentation and synthesis."""
