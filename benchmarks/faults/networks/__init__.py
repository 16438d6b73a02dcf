"""One builder of networks per library; every network maps [batch, step, channel] to logits [batch, class]."""
