# SPDX-License-Identifier: Apache-2.0
#
# Pods in micro-VMs. Where KVM does not work the guest is emulated, so a file's tests share a pod where
# they can. Load with: load lib

load ../integration/lib

# The accelerator of all pods; everything waits longer where it is emulation.
export ACCELERATOR=${ACCELERATOR:-emulation}
export RUNTIME_FLAGS="--runtime kata --accelerator $ACCELERATOR${GUEST:+ --guest $GUEST}"
export PATIENCE=${PATIENCE:-6}

# vm_bundle [NAME]: as bundle, with the limits that a pod wants (CPU cores, default 1; MiB, default 256).
vm_bundle() {
    bundle "$@"
    config '.linux.resources = {cpu: {quota: (($cores | tonumber) * 100000 | floor), period: 100000},
            memory: {limit: (($mib | tonumber) * 1048576)}}' \
        --arg cores "${CORES:-1}" --arg mib "${MIB:-256}"
}

# pod_start: a pod of the file's own with a container that sleeps. Its name is in POD, also its container's.
pod_start() {
    vm_bundle pod
    export POD=$ID POD_BUNDLE=$BUNDLE
    quietly rt run --detach --bundle "$BUNDLE" "$POD"
}

# in_pod ID: a container's arguments are those of `bundle`; it runs in the file's pod, status and output as of
# its process.
in_pod() {
    rt run --pod "$POD" --bundle "$BUNDLE" "$ID"
}

# supervisor_of POD, vmm_of POD: process ids.
supervisor_of() { jq .pid "$STATE/@pods/$1/pod.json"; }
vmm_of() { jq .pid "$STATE/$1/state.json"; }

# pod_gone POD: nothing of it is left on record.
pod_gone() { [ ! -e "$STATE/@pods/$1" ]; }
