"""Labels that several metrics share, and the constructors for the ones they don't.

Vocabularies and budgets: docs/contract.md, Labels.
"""

from __future__ import annotations

from butterfly_otel.catalog.model import Label


def closed(key: str, *values: str, help: str) -> Label:  # noqa: A002 - the field's own name
    """Build a label whose values are exactly ``values``."""
    return Label(key=key, kind="closed", help=help, values=values)


#: The role of the reporting node, where all three roles may report.
NODE_ROLE_ANY = Label(
    key="node_role",
    kind="closed",
    help="Role of the node that reports.",
    values=("coordinator", "compute", "observer"),
    default="node_role",
)
#: The role of the reporting node, where only coordinators and compute nodes report.
NODE_ROLE_WORKING = Label(
    key="node_role",
    kind="closed",
    help="Role of the node that reports.",
    values=("coordinator", "compute"),
    default="node_role",
)
#: The node the value is about, by default the one that reports.
NODE_ID = Label(
    key="node_id",
    kind="identity",
    help="Node the value is about; by default the node that reports.",
    budget=1000,
    default="node_id",
)
#: The node the value is about, which is often another than the one that reports.
SUBJECT_NODE_ID = Label(
    key="node_id",
    kind="identity",
    help="Node the verdict is about, which need not be the node that reports.",
    budget=1000,
)
LAYER_ID = Label(
    key="layer_id",
    kind="bounded",
    help="Index of the model layer, from 0.",
    budget=200,
)
MODEL = Label(key="model", kind="bounded", help="Name of the model.", budget=20)
#: The sender or the measuring end of a connection, which is this node.
FROM_NODE = Label(
    key="from_node",
    kind="identity",
    help="Node at the near end: the sender, or the one that measures; by default this node.",
    budget=1000,
    default="node_id",
)
#: The peer at the far end of something that this node sends or measures.
TO_NODE = Label(
    key="to_node",
    kind="identity",
    help="Node at the far end.",
    budget=1000,
)
#: The peer that sent what this node received.
FROM_PEER = Label(
    key="from_node",
    kind="identity",
    help="Node that sent.",
    budget=1000,
)
#: The receiver, which is this node.
TO_SELF = Label(
    key="to_node",
    kind="identity",
    help="Node that received; by default this node.",
    budget=1000,
    default="node_id",
)
#: The coordinator that assigns, which is this node.
FROM_COORDINATOR = Label(
    key="from_coordinator",
    kind="identity",
    help="Coordinator that assigned; by default this node.",
    budget=1000,
    default="node_id",
)
GPU_ID = Label(
    key="gpu_id",
    kind="bounded",
    help="Identity of the GPU: by default its UUID, which moves with it, else its index or slot.",
    budget=64,
)
#: Empty for the aggregate of all cores; a node never reports both.
CORE = Label(
    key="core",
    kind="bounded",
    help="Index of the CPU core, from 0; empty for all cores together.",
    budget=1024,
    default="empty",
)
#: Both spellings of "two nodes, in sorted order" that the contract has.
NODE_PAIR = Label(
    key="node_pair",
    kind="pair",
    help="The two nodes, their ids sorted and joined by an underscore.",
    budget=1000,
)
NODE_ID_PAIR = Label(
    key="node_id_pair",
    kind="pair",
    help="The two nodes, their ids sorted and joined by an underscore.",
    budget=1000,
)
BARRIER_ID = Label(
    key="barrier_id",
    kind="unbounded",
    help="Name of the barrier; to be chosen in the code, not made up while it runs.",
    budget=100,
)
TASK_ID = Label(
    key="task_id",
    kind="unbounded",
    help="Id of the task; the first tasks keep theirs, all later ones share one value.",
    budget=100,
)
CHECKPOINT_ID = Label(
    key="checkpoint_id",
    kind="unbounded",
    help="Id of the checkpoint; only the latest ones have a series.",
    budget=32,
    keep="latest",
)
PROTOCOL = closed("protocol", "quic", "grpc", help="Transport protocol.")
MESSAGE_TYPE = closed(
    "message_type",
    "tensor",
    "checkpoint",
    "consensus",
    "heartbeat",
    help="What the message carries.",
)
