"""Second opinions: slow, plain answers to what the product answers quickly. They import nothing of it."""
