"""The scripts by the style that each is written in."""

HEAD = """
import sys
import torch
from torch import nn
from torch.nn import functional as F
from parts import CLASSES, INPUTS, STEPS, Net, data, spike

torch.manual_seed(0)
x, y = data()
"""

PLAIN_LOOP = (
    HEAD
    + """
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(int(sys.argv[2])):
    for i in range(0, len(x), 16):
        loss = F.cross_entropy(net(x[i : i + 16]), y[i : i + 16])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
torch.save(net.state_dict(), sys.argv[1])
"""
)

FUNCTIONAL = (
    HEAD
    + """
w1 = torch.empty(INPUTS, 16).normal_(std=0.4).requires_grad_()
w2 = torch.empty(16, CLASSES).normal_(std=0.4).requires_grad_()
optimizer = torch.optim.Adamax([w1, w2], lr=0.01, betas=(0.9, 0.999))


def run_snn(inputs):
    h1 = torch.einsum("btc,ch->bth", inputs, w1)
    mem, out = torch.zeros(len(inputs), 16), torch.zeros(len(inputs), CLASSES)
    for t in range(STEPS):
        s = spike(mem - 1.0)
        mem = (0.9 * mem + h1[:, t]) * (1.0 - s.detach())
        out = 0.9 * out + s @ w2
    return out


for epoch in range(4):
    loss = F.nll_loss(F.log_softmax(run_snn(x), 1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(epoch, loss.item())
torch.save({"w1": w1, "w2": w2}, sys.argv[1])
"""
)

OUTER_TIME_LOOP = (
    HEAD
    + """
import snntorch as snn

fc1, lif1 = nn.Linear(INPUTS, 16), snn.Leaky(beta=0.9)
fc2, lif2 = nn.Linear(16, CLASSES), snn.Leaky(beta=0.9)
optimizer = torch.optim.Adam([*fc1.parameters(), *fc2.parameters()], lr=0.01)
for epoch in range(4):
    mem1, mem2 = lif1.init_leaky(), lif2.init_leaky()
    record = []
    for step in range(STEPS):
        spk1, mem1 = lif1(fc1(x[:, step]), mem1)
        spk2, mem2 = lif2(fc2(spk1), mem2)
        record.append(mem2)
    loss = sum(F.cross_entropy(mem, y) for mem in record)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save([fc1.state_dict(), fc2.state_dict()], sys.argv[1])
"""
)

RESET_NET = (
    HEAD
    + """
from spikingjelly.activation_based import functional, layer, neuron

net = nn.Sequential(
    layer.Linear(INPUTS, 16), neuron.LIFNode(tau=2.0), layer.Linear(16, CLASSES), neuron.LIFNode(tau=2.0)
)
functional.set_step_mode(net, "m")
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(4):
    optimizer.zero_grad()
    rate = net(x.transpose(0, 1)).mean(0)
    loss = F.mse_loss(rate, F.one_hot(y, CLASSES).float())
    loss.backward()
    optimizer.step()
    functional.reset_net(net)
torch.save(net.state_dict(), sys.argv[1])
"""
)

TRAINER_CLASS = (
    HEAD
    + """
class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.net.parameters(), lr=0.01)

    def training_step(self, batch):
        inputs, labels = batch
        return F.cross_entropy(self.net(inputs), labels)


class Trainer:
    def fit(self, module, loader):
        self.module = module
        with torch.no_grad():  # sanity check
            module.eval()
            module.training_step(next(iter(loader)))
        module.train()
        optimizer = module.configure_optimizers()
        for batch in list(loader) * 2:
            def closure():
                optimizer.zero_grad()
                loss = self.module.training_step(batch)
                loss.backward()
                return loss
            optimizer.step(closure)


if __name__ == "__main__":
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16, shuffle=True)
    module = Module()
    Trainer().fit(module, loader)
    torch.save(module.state_dict(), sys.argv[1])
"""
)

TWO_OPTIMIZERS = (
    HEAD
    + """
generator, discriminator = Net(inputs=4, outputs=INPUTS), Net(outputs=1)
optimizer_g = torch.optim.Adam(generator.parameters(), lr=0.01)
optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=0.01)
for i in range(6):
    noise = torch.rand(16, STEPS, 4)
    fake = generator(noise)[:, None, :].expand(-1, STEPS, -1)
    real = x[:16]
    d_loss = F.binary_cross_entropy_with_logits(discriminator(real), torch.ones(16, 1))
    d_loss = d_loss + F.binary_cross_entropy_with_logits(discriminator(fake.detach()), torch.zeros(16, 1))
    optimizer_d.zero_grad()
    d_loss.backward()
    optimizer_d.step()
    g_loss = F.binary_cross_entropy_with_logits(discriminator(fake), torch.ones(16, 1))
    optimizer_g.zero_grad()
    g_loss.backward()
    optimizer_g.step()
torch.save([generator.state_dict(), discriminator.state_dict()], sys.argv[1])
"""
)

TEACHER_AND_STUDENT = (
    HEAD
    + """
import copy

teacher, student = nn.Sequential(nn.Flatten(), nn.Linear(STEPS * INPUTS, CLASSES)), Net()
average = copy.deepcopy(student)
optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
for i in range(6):
    soft = teacher(x).softmax(1)
    loss = F.kl_div(F.log_softmax(student(x), 1), soft.detach(), reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for a, b in zip(average.parameters(), student.parameters()):
            a.lerp_(b, 0.1)
        average(x)
torch.save([student.state_dict(), average.state_dict()], sys.argv[1])
"""
)

OWN_TIME_LOOP_OF_PARTS = (
    HEAD
    + """
class Model(nn.Module):  # the loop calls its parts, never the model
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(INPUTS, 16), nn.Linear(16, CLASSES)


model = Model()
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.001)
for i in range(6):
    v = torch.zeros(len(x), 16)
    out = 0
    for step in range(STEPS):
        v = 0.9 * v + model.fc1(x[:, step])
        s = spike(v - 1)
        v = v - s.detach()
        out = out + model.fc2(s)
    loss = F.cross_entropy(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), sys.argv[1])
"""
)

SCHEDULED = (
    HEAD
    + """
net = Net()
print(net(x[:2]).shape)  # before there is any optimizer
optimizer = torch.optim.SGD([{"params": net.fc1.parameters()}, {"params": net.fc2.parameters(), "lr": 0.5}], lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
for i in range(6):
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
torch.save(net.state_dict(), sys.argv[1])
"""
)

#: The source, and how many models are trained.
STYLES = {
    "plain loop": (PLAIN_LOOP, 1),
    "functional, without modules": (FUNCTIONAL, 1),
    "snntorch, time loop outside": (OUTER_TIME_LOOP, 1),
    "spikingjelly, reset_net": (RESET_NET, 1),
    "trainer class with a closure": (TRAINER_CLASS, 1),
    "two optimizers": (TWO_OPTIMIZERS, 2),
    "teacher and student": (TEACHER_AND_STUDENT, 1),
    "parts of a model that is not called": (OWN_TIME_LOOP_OF_PARTS, 1),
    "called before the optimizer exists": (SCHEDULED, 1),
}
