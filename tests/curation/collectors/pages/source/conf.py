import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
project = "weir"
version = release = "1.2.3"
extensions = ["sphinx.ext.autodoc", "numpydoc", "IPython.sphinxext.ipython_console_highlighting"]
numpydoc_show_class_members = False
html_theme = os.environ["THEME"]
html_copy_source = False
