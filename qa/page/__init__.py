"""The chat page's words, markup, style and share link; everything of it that needs no Gradio to be tested."""
