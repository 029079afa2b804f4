// What the members of a group join, and are told when their part is done.
#pragma once

namespace moesim::network {

/// Something every member of a group joins, and that tells each member when its part is done.
class Rendezvous {
 public:
  virtual ~Rendezvous() = default;
  /// The member is ready now.  Each member once, else std::logic_error.
  virtual void join(int member) = 0;
  /// Every member has been told.
  virtual bool finished() const = 0;
};
}  // namespace moesim::network
