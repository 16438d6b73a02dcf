"""One builder of networks a library; every network takes [batch, step, channel] and gives logits [batch, class]."""
