// Core is the vocabulary of every room: all of moesim sees its names without "core::".
#pragma once

namespace moesim {
namespace core {}
using namespace core;
}  // namespace moesim
