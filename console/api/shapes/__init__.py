"""What comes in and goes out, as pydantic models: the document of the interface is made of them."""
