#include "serving/requests/thinning.h"

namespace moesim::serving {

Thinning::Thinning(std::vector<LoadShare> shares, std::uint64_t seed) : shares_(std::move(shares)) {
  Random random(seed, "workload fold");
  taken_ = random.uniform();
  outside_ = random.uniform();
}

Thinning::Fate Thinning::decide(Time at) {
  while (place_ + 1 < shares_.size() && shares_[place_ + 1].from <= at) ++place_;
  Fate out;
  taken_ += shares_[place_].prompt;
  out.taken = taken_ >= 1 - 1e-9;
  if (!out.taken) return out;
  taken_ -= 1;
  outside_ += shares_[place_].outside;
  out.outside = outside_ >= 1 - 1e-9;
  if (out.outside) outside_ -= 1;
  return out;
}

bool Thinning::take(Request& request) {
  if (shares_.empty()) return true;
  Fate fate;
  if (request.session < 0) {
    fate = decide(request.arrival);
  } else {
    const auto [entry, fresh] = sessions_.try_emplace(request.session);
    if (fresh) entry->second = decide(request.arrival);
    fate = entry->second;
  }
  request.outside = fate.outside;
  return fate.taken;
}
}  // namespace moesim::serving
