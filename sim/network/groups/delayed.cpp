#include "network/groups/delayed.h"

#include <vector>

#include "core/check.h"

namespace moesim::network {
namespace {
class Delayed final : public Rendezvous {
 public:
  Delayed(Engine& engine, int members, Time delay, std::unique_ptr<Rendezvous> inner)
      : engine_(engine), delay_(delay), inner_(std::move(inner)), joined_(std::size_t(members)), missing_(members) {}

  void join(int member) override {
    check(!joined_.at(std::size_t(member)), "member {} joins a delayed exchange twice", member);
    joined_[std::size_t(member)] = true;
    if (--missing_ > 0) return;
    engine_.after(delay_, "exchange: shared out", [this] {
      for (int m = 0; m < int(joined_.size()); ++m) inner_->join(m);
    });
  }
  bool finished() const override { return inner_->finished(); }

 private:
  Engine& engine_;
  Time delay_;
  std::unique_ptr<Rendezvous> inner_;
  std::vector<bool> joined_;
  int missing_;
};
}  // namespace

std::unique_ptr<Rendezvous> delayed(Engine& engine, int members, Time delay, std::unique_ptr<Rendezvous> inner) {
  return std::make_unique<Delayed>(engine, members, delay, std::move(inner));
}
}  // namespace moesim::network
