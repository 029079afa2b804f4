#include "core/twister.h"

namespace moesim::core {

void Twister::regenerate() {
  std::uint64_t* s = state_.data();
  for (std::size_t i = 0; i < kWords - kMiddle; ++i) s[i] = s[i + kMiddle] ^ twisted(s[i], s[i + 1]);
  for (std::size_t i = kWords - kMiddle; i < kWords - 1; ++i)
    s[i] = s[i - (kWords - kMiddle)] ^ twisted(s[i], s[i + 1]);
  s[kWords - 1] = s[kMiddle - 1] ^ twisted(s[kWords - 1], s[0]);
  next_ = 0;
}
}  // namespace moesim::core
