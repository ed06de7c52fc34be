// controller/bug_switches.h
//
// ControllerBugSwitches turn single rules of the controller off, one by one, so that tests can show
// that the simulation finds the damage ("mutants", tests/sim/mutants). All are off in a real node.
//
// A value.
#pragma once

namespace quorate {

struct ControllerBugSwitches {
  // B1: who leaves an ISR that gets too small is not kept as eligible (no ELR).
  bool forget_eligible_replicas = false;
  // B4: fenced and stopping brokers may be proposed for an ISR.
  bool admit_fenced_members = false;
  // B5: the broker epochs that a proposal names are not looked at.
  bool ignore_broker_epochs = false;
  // B6: AlterPartition is answered when it is proposed, by a controller that may be deposed.
  bool answer_isr_before_commit = false;
  // E9: the stored image's index is written before the image itself, and its hash is not compared.
  bool store_index_before_image = false;
  // F4: a block of producer ids is given out when it is proposed.
  bool answer_producer_ids_before_commit = false;
};

}  // namespace quorate
