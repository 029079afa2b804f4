// A rendezvous that begins some time after its last member has joined: what all do together before any of them sends.
#pragma once
#include <memory>

#include "core/engine.h"
#include "network/groups/rendezvous.h"

namespace moesim::network {

/// `delay` after the last of `members` has joined, all of them join `inner`.
std::unique_ptr<Rendezvous> delayed(Engine& engine, int members, Time delay, std::unique_ptr<Rendezvous> inner);
}  // namespace moesim::network
