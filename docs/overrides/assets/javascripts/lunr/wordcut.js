/* Cuts words of languages that this book is not written in: left out. */
