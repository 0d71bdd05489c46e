"""One model, many speakers: the teacher of many voices, its styles, and the stages that learn from it."""
