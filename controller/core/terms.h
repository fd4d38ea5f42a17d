// What the last holder may still work by after the configuration has changed (design rules L3, L7).
// Pure.
#ifndef HB_CONTROLLER_CORE_TERMS_H_
#define HB_CONTROLLER_CORE_TERMS_H_

#include "controller/core/model.h"

namespace hb::controller {

// For a decision that is begun anew with `model`, after a reload or a restart: until the holder has
// confirmed it, the looser policy counts, and only the nodes that every configuration since the
// confirmed one names have promised a holder anything.
void Widen(const ClusterModel& model, Persistent* state);

}  // namespace hb::controller

#endif  // HB_CONTROLLER_CORE_TERMS_H_
