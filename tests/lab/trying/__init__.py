"""`make try`: one look at a real vCenter with an AWS embedded on this machine."""
