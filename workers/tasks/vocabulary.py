r"""The 57-token vocabulary and chat template of the models that are made here.

Characters are tokens, except that `\boxed{` is one, so an answer is four tokens: box, digit, brace, end. A turn is
a marker and its text, and only the assistant's end is marked: a conversation that grows keeps its earlier tokens.

The class is Qwen2's because `AutoTokenizer` builds that class for every Qwen2 model, whatever the folder names,
and takes nothing but vocabulary, merges and added tokens from the file. Byte-level BPE without merges is a
tokenizer of characters. Like all of its kind it drops, silently, characters outside its vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.tasks.affine_lookup import BOX

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz\n ()*+,-./:=?\\{}"
BYTE_LEVEL = str.maketrans("\n ", "ĊĠ")  # how byte-level BPE writes the two bytes that do not print
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    f"{{{{ '<|' + message['role'] + '|>' + message['content'] }}}}"
    f"{{% if message['role'] == 'assistant' %}}{{{{ '{END}' }}}}{{% endif %}}"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{{{{ '{ASSISTANT}' }}}}{{% endif %}}"
)
MAX_TOKENS = 512


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer that decodes to exactly the text it was given, pads on the left, and ends on its own token."""
    from transformers import AddedToken, Qwen2Tokenizer

    vocabulary = (PAD, END, USER, ASSISTANT, BOX, *CHARACTERS.translate(BYTE_LEVEL))
    tokenizer = Qwen2Tokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)},
        merges=[],
        unk_token=None,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_tokens([AddedToken(BOX, normalized=False)])
    return tokenizer
