// An SQLite file that was good until the input changed cells, rows or bytes of it.
#pragma once
#include <string>
#include <string_view>

namespace moesim::fuzz {

/// A copy of `good`, changed as `input` says, in folder()/name.  Pieces of 8 bytes: what is done, to which table, row
/// and column, with which value; what is left over is written over the file's own bytes.
std::string spoiled(const std::string& good, const std::string& name, std::string_view input);
}  // namespace moesim::fuzz
