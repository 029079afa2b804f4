// The passages that synthetic models are balanced on; written for this purpose.
#include <algorithm>
#include <string_view>

#include "core/ceil_div.h"
#include "numerics/synthetic/synthetic.h"

namespace moesim::numerics {
namespace {
constexpr std::string_view kPassages[] = {
    "The harbour was quiet when the first boats came in. Nets lay in long heaps along the wall, and a boy counted the "
    "baskets twice before he wrote the number down. Prices had fallen since Monday, his father said, but the weather "
    "would turn, and then everybody would want fish again. Nobody asked who had told him so.\n\nBy noon the market "
    "hall smelled of salt and coffee. Two women argued about the weight of a crate; the scale, they agreed, was older "
    "than both of them. \"It has never been right,\" the taller one said, \"so at least it is fair to everyone.\"\n",
    "template <class T>\nclass Ring {\n public:\n  explicit Ring(std::size_t n) : items_(n) {}\n  bool push(const T& "
    "value) {\n    if (size_ == items_.size()) return false;\n    items_[(head_ + size_++) % items_.size()] = value;\n "
    "   return true;\n  }\n  T pop() {\n    assert(size_ > 0);\n    T value = std::move(items_[head_]);\n    head_ = "
    "(head_ + 1) % items_.size();\n    --size_;\n    return value;\n  }\n\n private:\n  std::vector<T> items_;\n  "
    "std::size_t head_ = 0, size_ = 0;  // oldest item, items held\n};\n",
    "service:\n  name: catalogue\n  replicas: 3\n  image: registry.example.org/shop/catalogue:2.4.1\n  ports:\n    - "
    "8080\n    - 9102   # metrics\n  limits:\n    memory: 512 MiB\n    cpu: 0.5\n  environment:\n    LOG_LEVEL: "
    "info\n    CACHE_SIZE: 20000\n    DATABASE: \"postgres://db.internal:5432/items\"\n  health:\n    path: /ready\n   "
    " "
    "every: 10 s\n    timeout: 2 s\n",
    "def moving_average(values, width):\n    \"\"\"Mean of the last `width` values at each point.\"\"\"\n    total, "
    "out = 0.0, []\n    for i, value in enumerate(values):\n        total += value\n        if i >= width:\n           "
    " "
    "total -= values[i - width]\n        out.append(total / min(i + 1, width))\n    return out\n\nif __name__ == "
    "\"__main__\":\n    print(moving_average([1, 2, 3, 4], 2))\n",
    "{\"id\": 48213, \"customer\": {\"name\": \"A. Moreau\", \"city\": \"Lyon\"}, \"items\": [{\"sku\": \"TX-100\", "
    "\"count\": 2, \"price\": 19.90}, {\"sku\": \"BQ-7\", \"count\": 1, \"price\": 240.00}], \"paid\": true, \"note\": "
    "null}\n{\"id\": 48214, \"customer\": {\"name\": \"L. Ferri\", \"city\": \"Bari\"}, \"items\": [], \"paid\": "
    "false, "
    "\"note\": \"call back\"}\n",
    "Die Bahn h\xc3\xa4lt heute nicht in Neustadt; Reisende nach S\xc3\xbc"
    "den steigen bitte in Burgdorf um. Der Zug f\xc3\xa4hrt "
    "von Gleis 4, zw\xc3\xb6lf Minuten sp\xc3\xa4ter als sonst. Le train suivant part \xc3\xa0 dix heures; les places "
    "r\xc3\xa9serv\xc3\xa9"
    "es restent valables jusqu'\xc3\xa0 demain soir. El tren regional sale a las once y llega antes de "
    "la una, seg\xc3\xban el horario.\n",
    "2024-03-11 08:14:02,117 INFO  server listening on 0.0.0.0:8443\n2024-03-11 08:14:09,530 WARN  slow query "
    "(1843 ms): SELECT * FROM orders WHERE day > '2024-03-01'\n2024-03-11 08:14:12,004 ERROR worker 7: connection "
    "reset by peer, retry 1/5\n2024-03-11 08:14:12,260 INFO  worker 7: reconnected after 256 ms\n",
    "Theorem 2. Let f be continuous on [a, b] with f(a) < 0 < f(b). Then f(c) = 0 for some c in (a, b).\nProof. Let S "
    "= "
    "{x : f(x) <= 0} and c = sup S. If f(c) > 0, then f > 0 near c, so c is not the least bound; if f(c) < 0, f < 0 "
    "just above c, so c is no bound. Hence f(c) = 0. QED\n| n | 2^n | n! |\n|---|---|---|\n| 4 | 16 | 24 |\n| 8 | 256 "
    "| "
    "40320 |\n",
};
}  // namespace

std::vector<std::vector<int>> warm_up_sequences(int tokens, int vocabulary) {
  std::vector<std::vector<int>> out;
  constexpr int kinds = int(std::size(kPassages));
  const int share = std::max(1, ceil_div(tokens, kinds));  // so that no kind is left out
  for (int kind = 0; tokens > 0; ++kind) {
    const std::string_view passage = kPassages[kind % kinds];
    const int count = std::min({tokens, share, int(passage.size())});
    std::vector<int>& ids = out.emplace_back();
    for (int i = 0; i < count; ++i)
      ids.push_back(int(static_cast<unsigned char>(passage[std::size_t(i)])) % vocabulary);
    tokens -= count;
  }
  return out;
}
}  // namespace moesim::numerics
