"""What is special about each library: how a layer is made, called and reset."""
