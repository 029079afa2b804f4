// How wide the terminal is that shows results, and text folded to it.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"

namespace moesim::core {

/// Columns of the terminal that stdout (or another stream) is, from $COLUMNS or the terminal itself, at least 40.  0
/// where it is none: what goes to a file or a program is not folded, so that it is the same everywhere.
std::size_t terminal_width(int stream = 1);

/// `text` cut at spaces into pieces of at most `width` bytes; a word that is longer is broken after one of "/_-,." or
/// anywhere, but never within a character, unless `whole_words`.
std::vector<std::string> pieces_of(std::string_view text, std::size_t width, bool whole_words = false);

/// Lines longer than `width` (0: none is) go on under their last column, where columns are told by two spaces or more,
/// else two spaces in.  Words stay whole.
std::string folded(std::string_view text, std::size_t width);

/// print_text() of what is folded to the terminal.  For prose and lists; not for JSON or what programs read.
void print_folded(std::string_view text);
}  // namespace moesim::core
