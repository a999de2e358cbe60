"""One question from the shell: the baseline's counterpart of a cold ``tanya ask``. Arguments: folder, model, question.

A script as people write it: it imports nothing of Tanya, so that nothing but LangChain's own start is timed.
"""

import sys

from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings

if __name__ == "__main__":
    folder, model, question = sys.argv[1:]
    embeddings = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu"})
    store = FAISS.load_local(folder, embeddings, allow_dangerous_deserialization=True)
    for document in store.similarity_search(question, k=5):
        print(document.page_content)
