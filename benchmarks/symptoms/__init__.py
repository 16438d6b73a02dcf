"""The pages that begin with a symptom: their pictures and their tables of causes, from the truth benchmark."""
