// SPDX-License-Identifier: GPL-2.0-or-later
// Owners of libnftnl's objects.
#pragma once

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/gen.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <stdio.h>  // before libnftnl, whose headers name FILE

#include <memory>
#include <new>

namespace vrouter::firewall {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using TableHandle = std::unique_ptr<nftnl_table, FreeWith<nftnl_table_free>>;
using ChainHandle = std::unique_ptr<nftnl_chain, FreeWith<nftnl_chain_free>>;
using RuleHandle = std::unique_ptr<nftnl_rule, FreeWith<nftnl_rule_free>>;
using SetHandle = std::unique_ptr<nftnl_set, FreeWith<nftnl_set_free>>;
using GenerationHandle = std::unique_ptr<nftnl_gen, FreeWith<nftnl_gen_free>>;
using ObjectHandle = std::unique_ptr<nftnl_obj, FreeWith<nftnl_obj_free>>;
using UserDataHandle = std::unique_ptr<nftnl_udata_buf, FreeWith<nftnl_udata_buf_free>>;

// libnftnl allocates and returns null where there is no memory.
template <typename T>
T* allocated(T* object) {
  if (object == nullptr) throw std::bad_alloc{};
  return object;
}

}  // namespace vrouter::firewall
